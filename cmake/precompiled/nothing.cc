// A target has to have a source; a precompiled header is all that these targets are for.
