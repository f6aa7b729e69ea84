export default { type: 'sync', exec: async () => {} }; //~ 1 the default export must be made by a definition function
