"""What the operator, the worker and the proxies must agree on: tasks, reports, headers and names."""
