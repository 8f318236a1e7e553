//! Short programs that show the layers at work: see the files beside this one.
