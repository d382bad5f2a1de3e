"""The Hugging Face Hub: commits, listings and files of repositories, the same with the network as without it."""
