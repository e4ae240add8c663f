package main

const (
	text     = "text"
	boolean  = "boolean"
	jsonb    = "jsonb"
	moment   = "timestamptz"
	quantity = "numeric(15,4)"
	money    = "numeric(21,10)"
)

type productData struct {
	Code         string            `json:"code"`
	Name         *string           `json:"name"`
	Active       *bool             `json:"active"`
	BaseUnit     *string           `json:"base_unit"`
	NCM          *string           `json:"ncm"`
	CEST         *string           `json:"cest"`
	GTIN         *string           `json:"gtin"`
	Brand        *string           `json:"brand"`
	CategoryPath []string          `json:"category_path"`
	Description  *string           `json:"description"`
	NetWeight    *string           `json:"net_weight_kg"`
	GrossWeight  *string           `json:"gross_weight_kg"`
	Height       *string           `json:"height_cm"`
	Width        *string           `json:"width_cm"`
	Length       *string           `json:"length_cm"`
	Fractional   *bool             `json:"fractional"`
	VariantOf    *string           `json:"variant_of"`
	Attributes   map[string]string `json:"attributes"`
}

var products = newTable("products", "product", func() productData { return productData{Fractional: new(bool)} },
	field("code", text, key, func(p *productData) *string { return &p.Code }),
	field("name", text, required, func(p *productData) *string { return p.Name }),
	field("active", boolean, required, func(p *productData) *string { return flag(p.Active) }),
	field("base_unit", text, required, func(p *productData) *string { return p.BaseUnit }),
	field("ncm", text, optional, func(p *productData) *string { return p.NCM }),
	field("cest", text, optional, func(p *productData) *string { return p.CEST }),
	field("gtin", text, optional, func(p *productData) *string { return p.GTIN }),
	field("brand", text, optional, func(p *productData) *string { return p.Brand }),
	field("category_path", jsonb, optional, func(p *productData) *string { return document(p.CategoryPath, p.CategoryPath != nil) }),
	field("description", text, optional, func(p *productData) *string { return p.Description }),
	field("net_weight_kg", quantity, optional, func(p *productData) *string { return p.NetWeight }),
	field("gross_weight_kg", quantity, optional, func(p *productData) *string { return p.GrossWeight }),
	field("height_cm", quantity, optional, func(p *productData) *string { return p.Height }),
	field("width_cm", quantity, optional, func(p *productData) *string { return p.Width }),
	field("length_cm", quantity, optional, func(p *productData) *string { return p.Length }),
	field("fractional", boolean, required, func(p *productData) *string { return flag(p.Fractional) }),
	field("variant_of", text, optional, func(p *productData) *string { return p.VariantOf }),
	field("attributes", jsonb, optional, func(p *productData) *string { return document(p.Attributes, p.Attributes != nil) }),
)

type priceTableData struct {
	TableCode string  `json:"table_code"`
	Name      *string `json:"name"`
	Currency  *string `json:"currency"`
	Active    *bool   `json:"active"`
	ValidFrom *string `json:"valid_from"`
	ValidTo   *string `json:"valid_to"`
}

var priceTables = newTable("price_tables", "price_table", func() priceTableData { return priceTableData{} },
	field("table_code", text, key, func(t *priceTableData) *string { return &t.TableCode }),
	field("name", text, required, func(t *priceTableData) *string { return t.Name }),
	field("currency", text, required, func(t *priceTableData) *string { return t.Currency }),
	field("active", boolean, required, func(t *priceTableData) *string { return flag(t.Active) }),
	field("valid_from", moment, optional, func(t *priceTableData) *string { return t.ValidFrom }),
	field("valid_to", moment, optional, func(t *priceTableData) *string { return t.ValidTo }),
)

type priceData struct {
	TableCode     string  `json:"table_code"`
	ProductCode   string  `json:"product_code"`
	PackagingCode string  `json:"packaging_code"`
	MinQty        string  `json:"min_qty"`
	ValidFrom     string  `json:"valid_from"`
	Price         *string `json:"price"`
	ListPrice     *string `json:"list_price"`
	ValidTo       *string `json:"valid_to"`
	Active        *bool   `json:"active"`
}

func newPrice() priceData {
	active := true
	return priceData{MinQty: "1", ValidFrom: "1970-01-01T00:00:00Z", Active: &active}
}

var prices = newTable("prices", "price", newPrice,
	field("table_code", text, key, func(p *priceData) *string { return &p.TableCode }),
	field("product_code", text, key, func(p *priceData) *string { return &p.ProductCode }),
	field("packaging_code", text, keyOrEmpty, func(p *priceData) *string { return &p.PackagingCode }),
	field("min_qty", quantity, key, func(p *priceData) *string { return &p.MinQty }),
	field("valid_from", moment, key, func(p *priceData) *string { return &p.ValidFrom }),
	field("price", money, required, func(p *priceData) *string { return p.Price }),
	field("list_price", money, optional, func(p *priceData) *string { return p.ListPrice }),
	field("valid_to", moment, optional, func(p *priceData) *string { return p.ValidTo }),
	field("active", boolean, required, func(p *priceData) *string { return flag(p.Active) }),
)

type stockData struct {
	ProductCode string  `json:"product_code"`
	Branch      string  `json:"branch"`
	Warehouse   string  `json:"warehouse"`
	Lot         string  `json:"lot"`
	OnHand      *string `json:"on_hand"`
	Reserved    *string `json:"reserved"`
	Available   *string `json:"available"`
	Unit        *string `json:"unit"`
	AsOf        *string `json:"as_of"`
}

var stock = newTable("stock", "stock", func() stockData { return stockData{} },
	field("product_code", text, key, func(s *stockData) *string { return &s.ProductCode }),
	field("branch", text, key, func(s *stockData) *string { return &s.Branch }),
	field("warehouse", text, key, func(s *stockData) *string { return &s.Warehouse }),
	field("lot", text, keyOrEmpty, func(s *stockData) *string { return &s.Lot }),
	field("on_hand", quantity, required, func(s *stockData) *string { return s.OnHand }),
	field("reserved", quantity, optional, func(s *stockData) *string { return s.Reserved }),
	field("available", quantity, optional, func(s *stockData) *string { return s.Available }),
	field("unit", text, required, func(s *stockData) *string { return s.Unit }),
	field("as_of", moment, required, func(s *stockData) *string { return s.AsOf }),
)

type addressData struct {
	Kind       *string `json:"kind"`
	Street     *string `json:"street"`
	Number     *string `json:"number"`
	Complement *string `json:"complement"`
	District   *string `json:"district"`
	City       *string `json:"city"`
	CityIBGE   *string `json:"city_ibge"`
	State      *string `json:"state"`
	Zip        *string `json:"zip"`
	Country    *string `json:"country"`
}

type customerData struct {
	Code              string        `json:"code"`
	Kind              *string       `json:"kind"`
	Document          *string       `json:"document"`
	Name              *string       `json:"name"`
	TradeName         *string       `json:"trade_name"`
	StateRegistration *string       `json:"state_registration"`
	Email             *string       `json:"email"`
	Phones            []string      `json:"phones"`
	Addresses         []addressData `json:"addresses"`
	Status            *string       `json:"status"`
	PriceTable        *string       `json:"price_table"`
	PaymentTerm       *string       `json:"payment_term"`
	Seller            *string       `json:"seller"`
	CreditLimit       *string       `json:"credit_limit"`
}

var customers = newTable("customers", "customer", func() customerData { return customerData{} },
	field("code", text, key, func(c *customerData) *string { return &c.Code }),
	field("kind", text, required, func(c *customerData) *string { return c.Kind }),
	field("document", text, required, func(c *customerData) *string { return c.Document }),
	field("name", text, required, func(c *customerData) *string { return c.Name }),
	field("trade_name", text, optional, func(c *customerData) *string { return c.TradeName }),
	field("state_registration", text, optional, func(c *customerData) *string { return c.StateRegistration }),
	field("email", text, optional, func(c *customerData) *string { return c.Email }),
	field("phones", jsonb, optional, func(c *customerData) *string { return document(c.Phones, c.Phones != nil) }),
	field("addresses", jsonb, optional, func(c *customerData) *string { return document(c.Addresses, c.Addresses != nil) }),
	field("status", text, required, func(c *customerData) *string { return c.Status }),
	field("price_table", text, optional, func(c *customerData) *string { return c.PriceTable }),
	field("payment_term", text, optional, func(c *customerData) *string { return c.PaymentTerm }),
	field("seller", text, optional, func(c *customerData) *string { return c.Seller }),
	field("credit_limit", money, optional, func(c *customerData) *string { return c.CreditLimit }),
)
