// Reads {schemas, samples: [{schema, instance}]} from standard input; prints which samples each schema takes.
// JavaScript's expressions are those that JSON Schema means, so this shows that no pattern is Python's alone.
import { readFileSync } from "node:fs";
import Ajv2020 from "ajv/dist/2020.js";

const { schemas, samples } = JSON.parse(readFileSync(0, "utf8"));
const ajv = new Ajv2020({ strict: false, validateFormats: false });
const validators = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, ajv.compile(schema)]));
console.log(JSON.stringify(samples.map(({ schema, instance }) => validators[schema](instance))));
