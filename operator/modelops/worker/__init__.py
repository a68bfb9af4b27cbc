"""What runs inside Jobs and Pods: snapshot, fetch, sidecar, fetch-model. Told by a task, answers with a report."""
