"""Which object is reconciled next, and how namespaces share the operator's capacity."""
