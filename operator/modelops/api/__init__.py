"""API of the operator: its four kinds as pydantic models, and in `contract` what its processes pass to each other."""
