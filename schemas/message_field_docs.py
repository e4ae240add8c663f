"""Field descriptions of envelopes, full loads, feeds, control messages and the status document."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.field_doc import FieldDoc

__all__ = ["COMMON_FIELD_DOCS", "MESSAGE_FIELD_DOCS"]

_TIME = "2026-11-23T20:00:00.000Z"
_END = FieldDoc("End of the pause; null: none.", "Fim da pausa; null: nenhum.", "2026-11-23T23:00:00Z")

# Of fields that mean the same wherever they stand.
COMMON_FIELD_DOCS: Mapping[str, FieldDoc] = {
    "order_id": FieldDoc("Id of the order.", "Id do pedido.", "ord-2026-000123"),
    "erp_number": FieldDoc("The ERP's number for the order.", "O número do pedido no ERP.", "4711"),
    "shop": FieldDoc("Id of the shop.", "Id da loja.", "main"),
    "domain": FieldDoc("Domain.", "Domínio.", "stock"),
    "reason": FieldDoc("Reason, for people.", "Motivo, para pessoas.", "ERP server maintenance"),
    "by": FieldDoc("Who did it.", "Quem fez.", "operator-1"),
    "since": FieldDoc("Begin, by the database's clock.", "Início, pelo relógio do banco de dados.", _TIME),
    "until": _END,
    "epoch": FieldDoc("Number of changes of any switch so far.", "Número de mudanças de chaves até aqui.", 17),
    "in_flight_orders": FieldDoc(
        "Number of orders that are on their way to the ERP.", "Número de pedidos a caminho do ERP.", 1
    ),
    "data": FieldDoc("What the event says.", "O que o evento diz."),
    "reasons": FieldDoc("Why it was refused.", "Por que foi recusado."),
    "code": FieldDoc("Reason by its code, see reasons.md.", "Motivo pelo código, ver reasons.md.", "missing_field"),
    "pointer": FieldDoc(
        "JSON pointer (RFC 6901) to the place.", "JSON pointer (RFC 6901) para o lugar.", "/data/product_code"
    ),
    "sentence": FieldDoc("The reason in a sentence.", "O motivo em uma frase.", "is missing"),
}

MESSAGE_FIELD_DOCS: Mapping[str, Mapping[str, FieldDoc]] = {
    "Attributes": {
        "specversion": FieldDoc("Version of CloudEvents.", "Versão do CloudEvents.", "1.0"),
        "id": FieldDoc(
            "Id of the event, the same whenever it is sent again; breaks ties between equal versions.",
            "Id do evento, o mesmo a cada reenvio; desempata versões iguais.",
            "01JD4Y8QK2",
        ),
        "source": FieldDoc("Sender of the event.", "Quem envia o evento.", "/erp/winthor/1"),
        "type": FieldDoc("Kind of event.", "Tipo do evento."),
        "time": FieldDoc(
            "Time of what the event tells.", "Momento do que o evento conta.", "2026-11-23T07:22:51.123456Z"
        ),
        "subject": FieldDoc("What the event is about, for people.", "De que trata o evento, para pessoas.", "7891000"),
        "sequence": FieldDoc(
            "Digits that grow with each change: of one key the highest wins. Without it, the time does.",
            "Dígitos que crescem a cada mudança: de uma chave vale o maior. Sem ele, vale o time.",
            "18446",
        ),
    },
    "_NoticeEvent": {
        "sequence": FieldDoc(
            "Place among the notices of the shop's orders.", "Lugar entre os avisos dos pedidos da loja.", "18446"
        )
    },
    "_Data": {
        "load_id": FieldDoc("Id of the load, unique in its domain.", "Id da carga, único no domínio.", "2026-11-23"),
        "domain": FieldDoc("Domain that is loaded.", "Domínio que é carregado.", "products"),
    },
    "_BegunData": {
        "version": FieldDoc(
            "The ERP's counter before it began to read.", "O contador do ERP antes de começar a ler.", "18446"
        )
    },
    "_ChunkData": {
        "chunk": FieldDoc("Number of the chunk, from 1.", "Número da parte, a partir de 1.", 1),
        "version": FieldDoc(
            "The ERP's counter before it read the chunk.", "O contador do ERP antes de ler a parte.", "18446"
        ),
        "from": FieldDoc(
            "First key of the range, itself included: its values in the order of the key fields; null: open.",
            "Primeira chave da faixa, incluída: os valores na ordem dos campos da chave; null: aberta.",
        ),
        "to": FieldDoc(
            "Key after the range, itself excluded; null: open.", "Chave após a faixa, não incluída; null: aberta."
        ),
        "count": FieldDoc("Number of distinct keys in the chunk.", "Número de chaves distintas na parte.", 1000),
    },
    "_CompletedData": {
        "chunks": FieldDoc("Number of chunks; absent if there are none.", "Número de partes; ausente sem partes.", 12),
        "count": FieldDoc("Number of distinct keys in the load.", "Número de chaves distintas na carga.", 11640),
    },
    "ChangesData": {"changes": FieldDoc("Changes in the order of their positions.", "Mudanças na ordem das posições.")},
    "ChangedKey": {
        "position": FieldDoc(
            "Position, behind which nothing appears later.", "Posição, atrás da qual nada mais aparece.", 4711
        ),
        "key": FieldDoc("Key fields by name.", "Campos da chave pelo nome.", {"code": "7891000"}),
        "version": FieldDoc("Version of the row, in digits.", "Versão da linha, em dígitos.", "18446"),
        "deleted": FieldDoc("Whether the ERP deleted the entity.", "Se o ERP excluiu a entidade.", False),
    },
    "QuarantinedData": {
        "id": FieldDoc("Id of the event; null if unreadable.", "Id do evento; null se ilegível.", "01JD4Y8QK2"),
        "sequence": FieldDoc("Sequence of the event; null if none.", "Sequence do evento; null se não há.", "18446"),
        "key": FieldDoc("Key fields as far as they could be read.", "Campos da chave que puderam ser lidos."),
        "quarantine_id": FieldDoc("Id of the message in the quarantine.", "Id da mensagem na quarentena.", "0193a1b2"),
    },
    "CountedData": {
        "outcome": FieldDoc("What became of the events.", "O que foi feito dos eventos.", "applied"),
        "minute": FieldDoc("Minute that is counted, by its begin.", "Minuto contado, pelo seu início.", _TIME),
        "count": FieldDoc("Number of events in this minute.", "Número de eventos nesse minuto.", 120),
    },
    "Resync": {
        "shop": FieldDoc("Shop that is asked for.", "Loja pedida.", "main"),
        "domain": FieldDoc("Domain that is asked for.", "Domínio pedido.", "stock"),
        "keys": FieldDoc(
            "Keys to publish again, each by its key fields.", "Chaves a publicar de novo, cada uma pelos seus campos."
        ),
        "from": FieldDoc(
            "Begin of the window whose changes are to be published again, itself included.",
            "Início do período cujas mudanças devem ser publicadas de novo, incluído.",
            _TIME,
        ),
        "to": FieldDoc("End of the window, itself excluded.", "Fim do período, não incluído.", "2026-11-23T23:00:00Z"),
    },
    "ControlMessage": {
        "reason": FieldDoc(
            "Why, for the audit and for people.", "Por quê, para a auditoria.", "ERP server maintenance"
        ),
        "shop": FieldDoc("Shop, or * for every shop.", "Loja, ou * para todas.", "*"),
        "domains": FieldDoc("Domains, or * for every domain.", "Domínios, ou * para todos.", ["*"]),
        "by": FieldDoc("Who asks for it.", "Quem pede.", "operator-1"),
        "from": FieldDoc("Begin of a planned pause; absent: now.", "Início da pausa planejada; ausente: agora.", _TIME),
        "weekly": FieldDoc(
            "Whether a planned pause comes every week.", "Se a pausa planejada se repete toda semana.", False
        ),
        "replace": FieldDoc(
            "Whether the end of a pause that is there already is replaced.",
            "Se o fim de uma pausa já existente é substituído.",
            False,
        ),
        "new_shop": FieldDoc(
            "Whether the shop may be unknown so far.", "Se a loja pode ser ainda desconhecida.", False
        ),
        "issued_at": FieldDoc("Time of the command; absent: now.", "Momento do comando; ausente: agora.", _TIME),
    },
    "PlannedPause": {
        "from": FieldDoc("Begin of the pause.", "Início da pausa.", _TIME),
        "domain": FieldDoc("Domain, or *.", "Domínio, ou *.", "*"),
        "weekly": FieldDoc("Whether it comes every week.", "Se se repete toda semana.", False),
    },
    "EndChange": {
        "old": FieldDoc("End before; null: none.", "Fim anterior; null: nenhum.", _TIME),
        "new": FieldDoc("End now; null: none.", "Fim atual; null: nenhum.", _TIME),
    },
    "Reply": {
        "result": FieldDoc("What came of the command.", "O que o comando fez.", "off"),
        "effective_at": FieldDoc(
            "Time of the change by the database's clock.", "Momento pelo relógio do banco.", _TIME
        ),
        "still_off": FieldDoc(
            "Switches that still stop a part of the scope.", "Chaves que ainda desligam parte do escopo."
        ),
        "error": FieldDoc("Why it was refused; null if it was not.", "Por que foi recusado; null se não foi."),
        "changed_ends": FieldDoc("Pauses whose end has changed.", "Pausas cujo fim mudou."),
        "planned": FieldDoc("Planned pauses of the scope.", "Pausas planejadas do escopo."),
    },
    "Announcement": {
        "action": FieldDoc("What happened.", "O que aconteceu.", "pause"),
        "domains": FieldDoc("Domains, or *.", "Domínios, ou *.", ["*"]),
    },
    "LastEndChange": {
        "before": FieldDoc("End before; null: none.", "Fim anterior; null: nenhum.", _TIME),
        "at": FieldDoc("Time of the change.", "Momento da mudança.", _TIME),
    },
    "SwitchState": {
        "off": FieldDoc("Whether the switch is off.", "Se a chave está desligada.", True),
        "end_change": FieldDoc("Last change of the pause's end.", "Última mudança do fim da pausa."),
    },
    "WorkerState": {
        "id": FieldDoc("Id of the process.", "Id do processo.", "0193a1b2"),
        "host": FieldDoc("Name of its machine.", "Nome da máquina.", "worker-1"),
        "pid": FieldDoc("Number of the process on its machine.", "Número do processo na máquina.", 4711),
        "domains": FieldDoc("Domains that it consumes.", "Domínios que consome.", ["stock"]),
        "last_seen": FieldDoc("Last heartbeat.", "Último sinal de vida.", _TIME),
        "epoch_seen": FieldDoc("Epoch that it has seen.", "Época que ele já viu.", 17),
    },
    "ErpFault": {
        "answer": FieldDoc("What the ERP answers.", "O que o ERP responde.", "HTTP 401"),
        "error": FieldDoc("The fault in a sentence.", "A falha em uma frase."),
        "failed_at": FieldDoc("Last failed attempt.", "Última tentativa que falhou.", _TIME),
        "failures": FieldDoc("Number of failed attempts in a row.", "Número de falhas seguidas.", 3),
    },
    "DomainHealth": {
        "state": FieldDoc("Whether messages are taken.", "Se as mensagens são retiradas."),
        "cause": FieldDoc("Why they are not; null if they are.", "Por que não; null se são."),
        "ready": FieldDoc("Messages waiting in the queue; null: unknown.", "Mensagens na fila; null: desconhecido.", 0),
        "consumers": FieldDoc("Consumers of the queue; null: unknown.", "Consumidores da fila; null: desconhecido.", 2),
        "last_change": FieldDoc("Last commit of any outcome.", "Último commit de qualquer resultado.", _TIME),
        "lag": FieldDoc("Seconds from the broker to the commit.", "Segundos do broker ao commit.", 0.02),
    },
    "Health": {
        "state": FieldDoc("Whether messages are taken.", "Se as mensagens são retiradas."),
        "cause": FieldDoc("Why they are not; null if they are.", "Por que não; null se são."),
        "ready": FieldDoc("Messages waiting in the queues.", "Mensagens nas filas.", 0),
        "domains": FieldDoc("The same by domain.", "O mesmo por domínio."),
    },
    "StatusDocument": {
        "switches": FieldDoc("Switches that are off.", "Chaves desligadas."),
        "planned": FieldDoc("Planned pauses.", "Pausas planejadas."),
        "effective": FieldDoc("on or off by shop and domain.", "on (ligada) ou off (desligada) por loja e domínio."),
        "workers": FieldDoc("Processes that consume.", "Processos que consomem."),
        "health": FieldDoc("Whether messages are taken.", "Se as mensagens são retiradas."),
        "orders": FieldDoc("Orders by shop and state.", "Pedidos por loja e estado."),
        "overdue_orders": FieldDoc(
            "Orders without a receipt in time, by shop.", "Pedidos sem recibo no prazo, por loja."
        ),
        "erp_faults": FieldDoc("Faults on the way to the ERP, by shop.", "Falhas no caminho ao ERP, por loja."),
        "missed": FieldDoc("Missed keys by shop and domain.", "Chaves desatualizadas por loja e domínio."),
        "quarantined": FieldDoc("Quarantined messages by domain.", "Mensagens em quarentena por domínio."),
        "last_minute": FieldDoc("Events of the last minute by domain and outcome.", "Eventos do último minuto."),
    },
}
