// Shows the API's OpenAPI document with Swagger UI.
"use strict";

SwaggerUIBundle({
  dom_id: "#api",
  url: document.getElementById("api").dataset.document,
  deepLinking: true,
  // Nothing of ours is ever sent elsewhere to be checked.
  validatorUrl: null,
});
