function createSync<T>(options: T): T {
    return options;
}

export default createSync({ exec: async () => {} }); //~ 1 the default export must be made by a definition function of `nango`
