"""The phantom: a synthetic mouse brain region with a known answer, in Allen's file formats."""
