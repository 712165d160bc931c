"""Photos: loading, finding the face, landmarks and pose, labels, identity."""
