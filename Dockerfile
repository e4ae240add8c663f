# Everything installed is named in a lock file with its hash; the last stage has neither pip's cache nor a compiler.
FROM python:3.12-slim AS build
WORKDIR /build
RUN python -m venv --without-pip /comporta
COPY requirements/ requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && uv pip install --no-cache --compile-bytecode --python /comporta/bin/python --require-hashes -r requirements/runtime.txt \
    # What nothing here ever loads, 75 MB: languages other than the page's; of nfelib all but its sample invoices, with
    # the parsers that it needs; highlighting of source code; numbers of other countries; SQLAlchemy's own tests.
    && cd /comporta/lib/python3*/site-packages \
    && find babel/locale-data -type f ! -name 'root.dat' ! -name 'en*' ! -name 'pt*' -delete \
    && find nfelib -type f ! -path 'nfelib/nfe/samples/*' -delete \
    && find pygments/lexers -type f ! -name '__init__.*' ! -name '_mapping.*' ! -name 'python.*' -delete \
    && find stdnum -mindepth 2 -type f ! -path 'stdnum/br/*' ! -path 'stdnum/iso7064/*' ! -path 'stdnum/__pycache__/*' -delete \
    && rm -rf lxml xsdata sqlalchemy/testing && find . -type d -empty -delete
COPY pyproject.toml LICENSE ./
COPY schemas/ schemas/
COPY rules/ rules/
COPY storage/ storage/
COPY broker/ broker/
COPY consumers/ consumers/
COPY producers/ producers/
COPY control/ control/
COPY comporta/ comporta/
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheel . \
    && uv pip install --no-cache --compile-bytecode --python /comporta/bin/python --no-deps wheel/*.whl

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/comporta --shell /usr/sbin/nologin comporta \
    # A volume that is mounted here takes over whose folder it is.
    && install --directory --owner=comporta --mode=0700 /var/lib/comporta/operators
WORKDIR /var/lib/comporta
COPY --from=build /comporta /comporta
ENV PATH=/comporta/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
ENTRYPOINT ["comporta"]
