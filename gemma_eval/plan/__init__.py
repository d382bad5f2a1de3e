"""Token ids become a prefix tree, and the tree becomes forward passes that compute every token once."""
