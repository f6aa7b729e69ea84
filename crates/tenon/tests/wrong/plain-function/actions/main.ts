export default async function run(nango: any) { //~ 1 the default export must be made by a definition function
    await nango.log('hello');
}
