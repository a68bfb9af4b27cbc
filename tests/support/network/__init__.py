"""NetworkPolicies as rules of nftables, for a node whose network plugin enforces none."""
