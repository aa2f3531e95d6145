"""PROOFS: what people hold, behind one guarded hand, and one folder for each kind."""
