//! What the words of the command line and the files mean.
