"""Planning studies: questions asked before a site is built."""
