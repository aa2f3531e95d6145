"""What messages say, in each language."""
