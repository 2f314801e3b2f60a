// Runs the script of /docs with as much of a DOM as it uses, against the gateway at the address given, and prints what
// the page then shows, a line each.
const [, , gateway] = process.argv;
const element = () => ({ textContent: "", children: [], append(...more) { this.children.push(...more); } });
const main = element();
const texts = ({ textContent, children }) => [textContent, ...children.flatMap(texts)];
const load = fetch;
globalThis.fetch = (address) => load(new URL(address, gateway));
globalThis.document = { createElement: element, querySelector: () => main };
const page = await (await load(new URL("/docs", gateway))).text();
const [, script] = page.match(/<script>(.*)<\/script>/s);
process.once("beforeExit", () => console.log(texts(main).filter(Boolean).join("\n")));
(0, eval)(script); // a fault in it ends this process with 1
