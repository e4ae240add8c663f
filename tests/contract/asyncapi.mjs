// Prints what the AsyncAPI parser has to say of the document on standard input, as JSON.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
const said = diagnostics.map(({ severity, message, path }) => ({ severity, message, path: path.join("/") }));
const channels = document ? document.channels().all().map((channel) => channel.id()) : [];
console.log(JSON.stringify({ said, channels, version: document?.version() }));
