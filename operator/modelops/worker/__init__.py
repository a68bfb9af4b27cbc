"""What runs inside Jobs and Pods: snapshot, fetch, courier, fetch-model. Told by a task, answers with a report."""
