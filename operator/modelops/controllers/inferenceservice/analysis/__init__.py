"""Whether a candidate proves what it must: what its Pods and checks of the user's own tell, and the judgement."""
