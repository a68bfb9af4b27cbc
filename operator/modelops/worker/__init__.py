"""Commands that run in Jobs and Pods: snapshot, fetch, sidecar, fetch-model. Each gets a task and writes a report."""
