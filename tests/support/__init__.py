"""Random chips and networks that tests draw, and slow twins that they compare with."""
