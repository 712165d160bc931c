"""Generator of the Next3D family: latent to tri-planes to a guided density and colour field."""
