"""Coming in, what a viewer may, and the ways a session ends: always to the login, and back to where one was."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.support.browser_windows import BrowserWindows, sign_in
from tests.support.page_deployment import PageDeployment

# What a browser says of its own accord when it is told to sign in.
UNAUTHORIZED = "status of 401"
_FORGE = """async ([path, body]) => (await fetch(path, {method: 'POST', body,
    headers: {'content-type': body[0] === '{' ? 'application/json' : 'application/x-www-form-urlencoded'}})).status"""


def test_a_wrong_token_is_told_what_to_do_and_the_right_one_leads_to_where_one_wanted(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    windows.expect(UNAUTHORIZED)
    page = windows.open(path="/orders?state=rejected")
    expect(page).to_have_title("Sign in · Comporta")
    page.get_by_label("Token").fill("comporta_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("This token is not valid. Check that you copied all of it.")
    sign_in(page, deployment.tokens["ana"])
    assert page.url == f"{deployment.url}/orders?state=rejected"
    expect(page.get_by_label("State")).to_have_value("rejected")


def test_a_viewer_sees_no_button_that_acts_and_a_forged_request_is_refused(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    windows.expect("status of 403")
    deployment.publish(b"{")
    deployment.erp.script.append("400")
    deployment.place_order("V1", "rejected")
    page = windows.open(deployment.tokens["rui"])
    for path in ("/", "/orders", "/order?shop=main&id=V1", "/missed", "/quarantine", "/repairs", "/audit", "/workers"):
        page.goto(deployment.url + path)
        expect(page.locator("#integration")).to_contain_text("On")
        assert page.locator("form[method=post]:not([action$='/logout'])").count() == 0, path
        assert (
            page.locator(
                "main button:visible:not(.filters button, .legend button), .toggle, [hx-get*='/switch/']"
            ).count()
            == 0
        ), path
    forged = {
        "/switch/off": "reason=x&shop=*&which=all&end=open",
        "/quarantine/drop-many": "expected=1",
        "/api/pause": '{"reason": "x"}',
        "/api/orders/main/V1/retry": "{}",
    }
    assert [page.evaluate(_FORGE, [path, body]) for path, body in forged.items()] == [403] * len(forged)
    assert not any(switch.off for switch in deployment.database.views.status().switches)
    assert deployment.order_state("V1") == "rejected"


def test_signing_out_ends_the_session_in_every_window_of_it(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    windows.expect(UNAUTHORIZED)
    page = windows.open(deployment.tokens["ana"])
    other = page.context.new_page()
    other.goto(f"{deployment.url}/missed?domain=stock")
    page.get_by_label("Language, theme and session").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title("Sign in · Comporta")
    comes_back_by_itself_to_the_login(other, "/missed?domain=stock", deployment, deployment.tokens["ana"])


def test_a_removed_operator_is_out_at_once(deployment: PageDeployment, windows: BrowserWindows) -> None:
    windows.expect(UNAUTHORIZED)
    token = deployment.add_operator("eva", "operator")
    page = windows.open(token, "/quarantine?domain=stock")
    assert deployment.programs.run("operator", "remove", "eva", **deployment.settings).code == 0
    comes_back_by_itself_to_the_login(page, "/quarantine?domain=stock", deployment, deployment.tokens["ana"])


def test_a_session_that_has_run_out_leads_over_the_login_back_to_where_one_was(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    windows.expect(UNAUTHORIZED)
    page = windows.open(deployment.tokens["ana"], "/orders?state=waiting")
    # That is what the browser does when the cookie's time is up.
    page.context.clear_cookies()
    comes_back_by_itself_to_the_login(page, "/orders?state=waiting", deployment, deployment.tokens["ana"])


def comes_back_by_itself_to_the_login(page: Page, path: str, deployment: PageDeployment, token: str) -> None:
    # Nobody touches the window: the next news ends its stream, or is asked for in vain.
    deployment.switch("pause", domains=["images"], reason="news")
    expect(page).to_have_title("Sign in · Comporta")
    expect(page.get_by_role("alert")).to_contain_text("Your session has ended")
    sign_in(page, token)
    assert page.url == deployment.url + path


def test_a_session_that_ends_keeps_what_was_typed_until_somebody_has_signed_in_again(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    windows.expect(UNAUTHORIZED)
    page = windows.open(deployment.tokens["ana"])
    page.get_by_role("switch", name="Integration").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("a long reason")
    page.context.clear_cookies()
    page.get_by_role("dialog").get_by_role("button", name="Switch off").click()
    notice = page.get_by_role("dialog").get_by_role("alert")
    expect(notice).to_contain_text("Your session has ended. What you have typed is still here")
    expect(page.get_by_role("dialog").get_by_label("Reason")).to_have_value("a long reason")
    with page.context.expect_page() as opened:
        notice.get_by_role("link", name="Sign in").click()
    sign_in(opened.value, deployment.tokens["ana"])
    expect(notice).to_have_count(0)
    page.get_by_role("dialog").get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text("The integration is off")
