"""Reason docs in Brazilian Portuguese: the description and the remedy of every code, and the titles of the groups."""

from __future__ import annotations

from schemas.reasons import Reason

__all__ = ["GROUP_TITLES", "PORTUGUESE"]

GROUP_TITLES = {
    "Around the body": "Em volta do corpo",
    "JSON": "JSON",
    "The event": "O evento",
    "The version": "A versão",
    "Values": "Valores",
    "Orders": "Pedidos",
    "Control messages": "Mensagens de controle",
    "Broker and database": "Broker e banco de dados",
}

PORTUGUESE: dict[Reason, tuple[str, str]] = {
    Reason.TOO_LARGE: (
        "Um evento tem mais de 1 MiB, ou uma requisição com vários tem mais de 8 MiB.",
        "Envie uma entidade por evento; deixe as imagens onde estão e envie o endereço delas.",
    ),
    Reason.COMPRESSED: (
        "O corpo está comprimido: começa como gzip, zlib, bzip2, xz ou zstd.",
        "Envie o JSON como ele é; desligue a compressão da sua biblioteca AMQP ou do seu cliente HTTP.",
    ),
    Reason.CONTENT_TYPE: (
        "O tipo de conteúdo não é o de um evento.",
        "Use `application/cloudevents+json`; no modo binário, `application/json`.",
    ),
    Reason.CONTENT_ENCODING: (
        "A codificação de conteúdo não é `utf-8` nem vazia; por HTTP, não é `identity`.",
        "Envie UTF-8 puro e informe `utf-8`, ou omita a propriedade.",
    ),
    Reason.BINARY_ATTRIBUTE: (
        "No modo binário: o cabeçalho de um atributo que o Comporta lê não é texto, booleano, número inteiro nem data "
        "e hora, ou não pode ser lido: texto que não é UTF-8, data depois do ano 9999.",
        "Envie os atributos como texto. Outros cabeçalhos podem conter qualquer coisa.",
    ),
    Reason.BATCH_FORMAT: (
        "O corpo de um lote não é um array JSON de eventos.",
        "Envie um array, mesmo com um só evento, ou use o tipo de conteúdo de um evento único.",
    ),
    Reason.ROUTING_KEY: (
        "A chave de roteamento não é `<shop>.<domain>` (de um recibo `<shop>.receipts`, de um pedido `<shop>`), ou a "
        "loja que ela cita não é um id de loja.",
        "Publique na exchange `erp.events`, pedidos em `shop.orders`; um id de loja tem a-z, 0-9 e -, no máximo 63 "
        "caracteres.",
    ),
    Reason.MALFORMED_JSON: (
        "O corpo não é JSON conforme a RFC 8259, em UTF-8 e sem marca de ordem de bytes.",
        "Deixe uma biblioteca de JSON escrevê-lo; NaN e Infinity não são JSON.",
    ),
    Reason.DUPLICATE_KEY: (
        "Um objeto cita o mesmo membro duas vezes, e ninguém sabe qual valor vale.",
        "Cite cada membro uma vez.",
    ),
    Reason.WRONG_TYPE: (
        "Um valor tem um tipo JSON diferente do tipo do campo, ou é null onde null não é permitido.",
        "Envie o tipo que o esquema indica; omita um campo que não tem valor.",
    ),
    Reason.NUL_CHARACTER: (
        "Um texto contém o caractere U+0000, que bancos de dados não guardam.",
        "Remova-o: em geral ele vem de um campo de largura fixa do ERP.",
    ),
    Reason.TOO_MANY_FAULTS: (
        "A mensagem tem tantas falhas que citar uma não ajudaria.",
        "Compare a mensagem inteira com o esquema do tipo dela.",
    ),
    Reason.NOT_AN_EVENT: (
        "O corpo é JSON, mas não é um CloudEvent: não é um objeto ou não tem `type`.",
        "Envolva os dados: `specversion`, `id`, `source`, `type`, `sequence` ou `time`, `data`.",
    ),
    Reason.DATA_BASE64: (
        "O evento traz os dados em `data_base64`.",
        "Envie os dados como objeto JSON em `data`: `data_base64` é para dados que não são JSON.",
    ),
    Reason.UNKNOWN_TYPE: (
        "O `type` não é nenhum dos que o contrato define.",
        "Use `erp.<entity>.changed.v1` ou `erp.<entity>.deleted.v1`; uma loja envia `shop.order.placed.v1` "
        "ou `shop.order.cancelled.v1`, um recibo é `erp.order.` e `internalized.v1`, `rejected.v1`, `cancelled.v1`, "
        "`cancel_refused.v1`, `invoiced.v1` ou `shipped.v1`.",
    ),
    Reason.UNKNOWN_VERSION: (
        "O `type` é conhecido, mas a versão principal não.",
        "Envie v1, ou atualize o Comporta antes do ERP.",
    ),
    Reason.WRONG_DOMAIN: (
        "A entidade do `type` e o domínio da chave de roteamento são diferentes.",
        "Publique um evento de estoque com `<shop>.stock`, um de preço com `<shop>.prices`.",
    ),
    Reason.UNKNOWN_SHOP: (
        "A loja da chave de roteamento não é conhecida, e nenhuma outra passa a ser conhecida por uma mensagem: "
        "`COMPORTA_SHOPS` está definido, ou já há `COMPORTA_MAX_SHOPS` lojas.",
        "Corrija a chave de roteamento. Se a loja é nova, um operador usa `comporta shop add` e reenvia a mensagem.",
    ),
    Reason.NO_VERSION: (
        "Não há `sequence` nem `time`, e ninguém sabe qual de duas mudanças é a mais nova.",
        "Envie uma `sequence` que cresça a cada mudança da entidade; sem ela, o `time` da mudança.",
    ),
    Reason.SEQUENCE_FORMAT: (
        "`sequence` não é uma string JSON de dígitos decimais, ou passa de 2^62 (4611686018427387904).",
        "Envie um contador ou um instante em dígitos, entre aspas.",
    ),
    Reason.VERSION_KIND: (
        "O primeiro evento desta loja e deste domínio decidiu se as versões são sequências ou datas, e este evento é "
        "do outro tipo: um deles seria mais novo que todos os outros para sempre.",
        "Envie todos os eventos de um domínio com `sequence`, ou todos sem. Se o ERP mudou mesmo de um tipo para o "
        "outro, um operador executa `comporta versions forget` para a loja e o domínio e reprocessa a mensagem.",
    ),
    Reason.TIME_AHEAD: (
        "O evento não tem `sequence`, e o `time` dele está mais de um dia (`COMPORTA_CLOCK_AHEAD`) à frente do relógio "
        "do banco de dados: nenhum evento posterior da chave poderia vencer antes dessa hora.",
        "Acerte o relógio do ERP e envie o evento de novo com a hora da mudança.",
    ),
    Reason.CONTENT_CHANGED: (
        "Um evento com a mesma chave, a mesma versão e o mesmo `id` já tinha vindo, e dizia outra coisa.",
        "Dê a cada mudança uma versão própria, e a cada evento um `id` próprio; repita um evento só como ele era.",
    ),
    Reason.MISSING_FIELD: (
        "Falta um campo obrigatório.",
        "Cada evento leva o estado completo: envie sempre todos os campos obrigatórios, mesmo os que não mudaram.",
    ),
    Reason.MISSPELT_FIELD: (
        "Um campo de um evento de mudança é um dos do contrato, a não ser por maiúsculas, `_` ou `-`. Ignorado, ele "
        "deixaria valer o padrão: o preço de dez peças viraria o preço de uma.",
        "Escreva o campo como no contrato; a frase diz o nome certo.",
    ),
    Reason.UNKNOWN_FIELD: (
        "Um evento de exclusão tem um campo além da chave, ou uma mensagem de controle tem um campo que não existe. "
        "Nos outros eventos, campos desconhecidos são ignorados e contados.",
        "Envie só a chave do que foi excluído; confira a grafia: um escopo escrito errado valeria para tudo.",
    ),
    Reason.WRONG_VALUE: (
        "Um valor está fora da lista ou da faixa que o campo permite.",
        "Veja o campo no esquema do evento.",
    ),
    Reason.TOO_LONG: (
        "Um texto ou uma lista é longo demais: chaves têm no máximo 255 caracteres, pedidos 10.000 itens.",
        "Envie uma chave mais curta; faça dois pedidos.",
    ),
    Reason.TOO_SHORT: (
        "Um texto ou uma lista está vazio e não pode estar, ou um nome ou uma unidade só tem espaços.",
        "Preencha-o, ou omita o campo.",
    ),
    Reason.KEY_FORMAT: (
        "Um campo da chave poderia ser confundido com outro: está vazio, tem espaço no começo ou no fim, tem um "
        "caractere de controle, de formatação ou não atribuído, ou não está na forma normal C do Unicode.",
        "Corrija a chave na origem: aqui nada é aparado, porque duas chaves virariam uma. Maiúsculas e minúsculas "
        "fazem parte da chave.",
    ),
    Reason.NUMBER_NOT_STRING: (
        "Uma quantidade ou um valor é um número JSON; passando por ponto flutuante ele pode perder dígitos.",
        "Coloque-o entre aspas.",
    ),
    Reason.NUMBER_FORMAT: (
        "O texto não é um número decimal: dígitos ASCII, um ponto, talvez um sinal de menos e um expoente.",
        "Use ponto para os decimais e nada entre os milhares.",
    ),
    Reason.NUMBER_RANGE: (
        "O número tem dígitos demais: 11 antes do ponto; depois dele, 4 em uma quantidade e 10 em um valor.",
        "Arredonde no ERP, onde se sabe como.",
    ),
    Reason.NOT_POSITIVE: (
        "O número precisa ser maior que zero.",
        "O que não tem preço não está na tabela: exclua o preço, ou envie `active: false`. O menor `min_qty` é o de "
        "uma peça ou menos, não 0.",
    ),
    Reason.TIME_FORMAT: (
        "O texto não é uma data e hora RFC 3339 com fuso, ou está fora de 0001-01-02 a 9999-12-31 em UTC, ou num "
        "segundo intercalar (`:60`).",
        "Envie os segundos e um fuso; omita `valid_to` onde não há fim.",
    ),
    Reason.URL_FORMAT: (
        "O texto não é um endereço http ou https.",
        "Envie um endereço absoluto, com espaços escritos como %20.",
    ),
    Reason.NCM_FORMAT: ("Um NCM tem 8 dígitos.", "Envie-o sem pontos."),
    Reason.GTIN_CHECK_DIGIT: (
        "O texto não é um GTIN de 8, 12, 13 ou 14 dígitos com o dígito verificador certo.",
        "Corrija o código no ERP; um produto sem código é `SEM GTIN`, um código próprio é outro tipo de código de "
        "barras.",
    ),
    Reason.CPF_CHECK_DIGIT: (
        "O documento de um cliente do tipo `PF`, ou um de 11 dígitos em um pedido (com ou sem máscara), não é um CPF: "
        "11 dígitos, os dois últimos verificadores.",
        "Envie os dígitos de um cliente sem máscara; corrija o número na origem, ou envie um cliente do tipo `foreign` "
        "para outro documento.",
    ),
    Reason.CNPJ_CHECK_DIGIT: (
        "O documento de um cliente do tipo `PJ`, ou um de 14 dígitos ou letras em um pedido (com ou sem máscara), não "
        "é um CNPJ: 12 dígitos ou maiúsculas e 2 dígitos verificadores.",
        "Envie o de um cliente sem pontos, barra e traço, com letras maiúsculas; corrija o número na origem.",
    ),
    Reason.CURRENCY_UNKNOWN: (
        "A moeda não é um código em uso da ISO 4217.",
        "Envie três maiúsculas.",
    ),
    Reason.WINDOW_EMPTY: (
        "`valid_to` não é depois de `valid_from`: o preço ou a tabela nunca valeria.",
        "Envie um fim mais tarde, ou nenhum; atenção aos fusos.",
    ),
    Reason.AVAILABLE_MISMATCH: (
        "`on_hand`, `reserved` e `available` foram todos enviados e a conta não fecha.",
        "available = on_hand - reserved; ou omita `available`.",
    ),
    Reason.ORDER_SUM: (
        "Σ totais dos itens + Σ impostos (dos itens e do pedido) + frete + insurance + other_charges - desconto do "
        "pedido difere de `total` em mais de 0.01 e meio centavo por linha.",
        "Envie os totais como foram cobrados: impostos por fora do preço em `taxes`, o desconto de um item nesse item. "
        "Um operador pode aceitar o pedido como está (`comporta quarantine accept`).",
    ),
    Reason.LINE_SUM: (
        "O `total` de um item difere de quantity × unit_price - discount em mais de 0.015: um centavo, e o meio pelo "
        "qual ele pode ser arredondado. Os impostos do item ficam à parte.",
        "Envie `unit_price` com todas as casas (até 10), por unidade da embalagem, e o desconto do item no item. Um "
        "operador pode aceitar o pedido como está.",
    ),
    Reason.NEGATIVE_TOTAL: (
        "O total de um item ou do pedido é menor que zero.",
        "Uma devolução ou um crédito não é um pedido: omita essas linhas, ou envie o valor como desconto.",
    ),
    Reason.LINE_TWICE: (
        "Dois itens de um pedido têm o mesmo `line`.",
        "Numere os itens: o ERP os chama pela linha.",
    ),
    Reason.ORDER_CHANGED: (
        "Um pedido veio de novo com o mesmo `order_id` e outros dados. O primeiro fica como está.",
        "Um pedido feito não muda: faça um novo, com um id próprio.",
    ),
    Reason.ORDER_UNKNOWN: (
        "Um recibo cita um pedido que esta loja nunca fez.",
        "Responda com o `order_id` do pedido e a chave de roteamento da loja dele; depois reprocesse o recibo.",
    ),
    Reason.STALE: (
        "O comando foi emitido antes da última mudança do seu escopo.",
        "Veja o estado; se o comando ainda vale, envie-o de novo.",
    ),
    Reason.EXPIRED: (
        "De uma mensagem de controle: `until` não está no futuro, pelo relógio do banco de dados. De qualquer outra: "
        "ela esperou na fila mais tempo do que a `expiration` dela ou a fila permite.",
        "Envie um fim mais tarde, ou nenhum. Publique eventos e pedidos sem expiração e remova uma política com "
        "`message-ttl`; reprocesse a mensagem se ela ainda valer.",
    ),
    Reason.UNROUTABLE: (
        "O broker devolveu a mensagem: nenhuma fila está ligada à chave de roteamento dela.",
        "Inicie o Comporta uma vez, que declara as filas, e confira o virtual host e a chave de roteamento.",
    ),
    Reason.UNCONFIRMED: (
        "O broker não confirmou a mensagem a tempo, ou a recusou. Ela pode ou não ter chegado.",
        "Envie-a de novo com o mesmo id: uma repetição não muda nada.",
    ),
    Reason.REFUSED_BY_DATABASE: (
        "O banco de dados recusou um valor que as verificações tinham deixado passar.",
        "Os outros eventos estão bem; relate o caso com a mensagem: é uma lacuna nas verificações.",
    ),
    Reason.DELIVERY_LIMIT: (
        "A mensagem foi entregue vezes demais, e dez workers terminaram enquanto a processavam sozinha: ela não foi "
        "lida de novo.",
        "Veja o log do worker na hora da mensagem; reprocesse-a quando a causa tiver sido eliminada.",
    ),
    Reason.QUEUE_OVERFLOW: (
        "O broker tirou a mensagem de uma fila que estava cheia.",
        "Remova a política que limita o tamanho da fila, ou faça-a recusar o que não cabe (`reject-publish`); depois "
        "reprocesse a mensagem.",
    ),
    Reason.REJECTED: (
        "Outro programa rejeitou a mensagem na fila do Comporta; o próprio Comporta não rejeita nenhuma.",
        "Encontre o outro consumidor da fila (`rabbitmqctl list_consumers`); depois reprocesse a mensagem.",
    ),
}
