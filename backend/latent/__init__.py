"""The spaces that diffusion works in: style vectors of a generator as rows of unit scale."""
