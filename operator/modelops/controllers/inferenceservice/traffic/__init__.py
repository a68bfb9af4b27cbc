"""Who answers a request: routes, weights, and whether they are in effect."""
