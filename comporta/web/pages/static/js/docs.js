// Swagger UI with the API's OpenAPI document.
"use strict";

SwaggerUIBundle({
  dom_id: "#api",
  url: document.getElementById("api").dataset.document,
  deepLinking: true,
  // Never send the document to swagger.io for validation.
  validatorUrl: null,
});
