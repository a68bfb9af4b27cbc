"""`kubectl modelops`: what people ask of the operator, and what they want to see, without knowing an annotation."""
