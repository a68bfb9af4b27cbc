"""Who answers a request, and since when."""
