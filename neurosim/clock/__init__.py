"""How many cycles every tick is busy, by the model of the network."""
