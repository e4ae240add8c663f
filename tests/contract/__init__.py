"""The contract for machines: schemas, samples, the AsyncAPI document and the gate before breaking changes."""
