"""Contract between the processes: tasks and reports of the worker, headers and names of the proxies."""
