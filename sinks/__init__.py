"""Where results go. One sink a file or folder."""
