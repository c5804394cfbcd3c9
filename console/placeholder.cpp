// Filled by this folder's sources.
