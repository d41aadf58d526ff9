"""Ways over links, round dead ones, where they end, and which are hot."""
