"""From a folder of labelled image files to uint8 pixels in a cache that can be trusted."""
