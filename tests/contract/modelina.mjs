// Makes the Java classes of schemas with modelina: a list of {schema, package, folder} as JSON on standard input.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { JAVA_JACKSON_PRESET, JavaGenerator } from "@asyncapi/modelina";

const generator = new JavaGenerator({ presets: [JAVA_JACKSON_PRESET], collectionType: "List" });
for (const { schema, package: packageName, folder } of JSON.parse(readFileSync(0, "utf8"))) {
    // Its reader looks for the drafts up to 7 and takes a schema that names none as one of them.
    const { $schema, ...document } = JSON.parse(readFileSync(schema, "utf8"));
    mkdirSync(folder, { recursive: true });
    for (const model of await generator.generateCompleteModels(document, { packageName })) {
        // A union, such as digits or a number, gets no class: its field is an Object.
        if (model.modelName) writeFileSync(join(folder, `${model.modelName}.java`), model.result);
    }
}
console.log("null");
