"""The program as people run it: processes, and what can be seen of them from outside."""
