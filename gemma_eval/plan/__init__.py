"""Token ids become a prefix tree, and the tree forward passes."""
