"""From a Hugging Face model and a request to the torch dialect: families, surgery, export, token layout, zoo."""
