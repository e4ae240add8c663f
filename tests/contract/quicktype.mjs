// Runs quicktype once for each list of arguments of the JSON on standard input: to load it takes longer than to run it.
import { readFileSync } from "node:fs";
import { main } from "quicktype";

for (const options of JSON.parse(readFileSync(0, "utf8"))) await main(options);
console.log("null");
