"""Tables: read, checked, conformed; which contenders compete on them."""
