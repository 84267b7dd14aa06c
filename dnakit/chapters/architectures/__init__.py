"""Chapter 8: the four models of thesis section 4.1 and Appendix B.1, their sizes and their speed."""
