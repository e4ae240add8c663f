"""The contract for machines: schemas, samples, the AsyncAPI document and the check for breaking changes."""
