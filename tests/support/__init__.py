"""Test support: deployments, clients, samples and harnesses that the tests share; no test module imports another."""
