//! A headless Chromium, driven through chromedriver, with a time limit on everything.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource, KeyAction, KeyActions},
    key::Key,
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// Tests read a number and its unit with a space that may break between them.
const BREAKABLE: &str = ".replaceAll('\\u00a0', ' ')";
const START_LIMIT: Duration = Duration::from_secs(30);
/// The patience for what takes milliseconds on an idle machine.
pub const SOON: Duration = Duration::from_secs(30);
/// The patience for what computes.
pub const COMPUTES: Duration = Duration::from_mins(4);

/// Chromium and chromedriver, if both are there; what is skipped and how to get them is printed otherwise.
#[expect(clippy::print_stderr, reason = "a skipped test must say so; tests have no printer")]
pub fn programs() -> Option<(PathBuf, PathBuf)> {
    let browser = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(find);
    let found = browser.zip(find("chromedriver"));
    if found.is_none() {
        eprintln!(
            "skipped: the page in a real browser, because chromium or chromedriver is missing; \
             on Debian and Ubuntu: apt-get install chromium chromium-driver"
        );
    }
    found
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let name = format!("{program}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&path).map(|folder| folder.join(&name)).find(|file| file.is_file())
}

/// How the browser is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// WebGPU on SwiftShader, a software adapter; without it there is no WebGPU at all.
    pub webgpu: bool,
    /// On what, and how, the visitor sees the page.
    pub look: Look,
}

/// How the visitor sees the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// On a screen 1280 pixels wide.
    #[default]
    Plain,
    /// The system prefers dark colours.
    Dark,
    /// On a phone 320 CSS pixels wide.
    Narrow,
    /// On that screen, magnified to 200 %.
    Zoomed,
    /// The system's own colours replace the page's.
    ForcedColours,
    /// The system prefers that nothing moves.
    Still,
}

impl Look {
    /// What the browser is started with.
    fn args(self) -> &'static [&'static str] {
        match self {
            Self::Plain | Self::Narrow => &["--window-size=1280,1000"],
            Self::Dark => &["--window-size=1280,1000", "--blink-settings=preferredColorScheme=0"],
            // Magnified, a screen has as many pixels for half as many CSS pixels.
            Self::Zoomed => &["--window-size=640,500", "--force-device-scale-factor=2"],
            Self::ForcedColours => &["--window-size=1280,1000", "--force-high-contrast"],
            Self::Still => &["--window-size=1280,1000", "--force-prefers-reduced-motion"],
        }
    }
}

/// A running chromedriver; it and its browsers end with this.
struct Driver {
    child: Child,
    port: u16,
    _alone: MutexGuard<'static, ()>,
}

impl Driver {
    fn start(program: &PathBuf) -> Self {
        // One browser at a time: software rendering takes every core.
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut command = Command::new(program);
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(log) = env::var_os("LLAMAREC_BROWSER_LOG") {
            command.arg("--verbose").arg("--append-log").arg(format!("--log-path={}", log.to_string_lossy()));
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let port = line.split("successfully on port ").nth(1);
                if let Some(port) = port.and_then(|port| port.trim_end_matches('.').parse::<u16>().ok()) {
                    let _ = send.send(port);
                }
            }
        });
        let port = receive.recv_timeout(START_LIMIT).expect("chromedriver says its port");
        Self { child, port, _alone: alone }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Ends the browsers too; killing chromedriver alone would leave them running.
        let ended = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).and_then(|mut stream| {
            stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        });
        let deadline = Instant::now() + Duration::from_secs(10);
        while ended.is_ok() && Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A visitor of the page.
pub struct Visitor {
    client: Client,
    _driver: Driver,
}

impl Visitor {
    /// Starts a browser; none if there is no browser on this machine.
    pub async fn start(settings: Settings) -> Option<Self> {
        let (browser, driver) = programs()?;
        let driver = Driver::start(&driver);
        let mut args = vec![
            "--headless=new",
            "--no-sandbox",
            "--disable-background-networking",
            "--disable-dev-shm-usage",
        ];
        args.extend(settings.look.args());
        if settings.webgpu {
            args.extend(["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]);
        } else {
            args.push("--disable-features=WebGPU");
        }
        let mut options = json!({ "binary": browser, "args": args });
        if settings.look == Look::Narrow {
            options["mobileEmulation"] =
                json!({ "deviceMetrics": { "width": 320, "height": 800, "pixelRatio": 2.0 } });
        }
        let capabilities =
            json!({ "goog:chromeOptions": options, "timeouts": { "script": COMPUTES.as_millis() } });
        let Value::Object(capabilities) = capabilities else { unreachable!("an object was written") };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        let url = format!("http://127.0.0.1:{}", driver.port);
        let client = tokio::time::timeout(START_LIMIT * 2, builder.connect(&url))
            .await
            .expect("chromium starts")
            .unwrap();
        Some(Self { client, _driver: driver })
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Reloads the page.
    pub async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// The value of a JavaScript expression.
    pub async fn value(&self, expression: &str) -> Value {
        self.client.execute(&format!("return ({expression});"), vec![]).await.unwrap()
    }

    /// The value that an asynchronous JavaScript function body resolves to; `args` are its arguments.
    pub async fn resolve(&self, body: &str, args: Vec<Value>) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async (...args) => {{ {body} }})(...arguments).then(done, error => done({{ error: String(error) }}));"
        );
        self.client.execute_async(&script, args).await.unwrap()
    }

    /// Waits until a JavaScript expression is true.
    pub async fn wait(&self, what: &str, expression: &str, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.value(expression).await != json!(true) {
            if Instant::now() > deadline {
                let page = self.value("document.body.innerText").await;
                panic!("waited {limit:?} for {what}; the page says:\n{}", page.as_str().unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the element's text contains `text`.
    pub async fn wait_for_text(&self, id: &str, text: &str, limit: Duration) {
        let read = format!("(document.getElementById({id:?})?.textContent ?? ''){BREAKABLE}");
        let expression = format!("{read}.includes({text:?})");
        self.wait(&format!("{text:?} in #{id}"), &expression, limit).await;
    }

    /// The text of an element; empty if there is none.
    pub async fn text(&self, id: &str) -> String {
        let text =
            self.value(&format!("(document.getElementById({id:?})?.innerText ?? ''){BREAKABLE}")).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// The texts of all elements that a CSS selector finds.
    pub async fn texts(&self, selector: &str) -> Vec<String> {
        let texts = self
            .value(&format!(
                "[...document.querySelectorAll({selector:?})].map(e => e.innerText.trim(){BREAKABLE})"
            ))
            .await;
        serde_json::from_value(texts).unwrap()
    }

    /// Clicks an element by its id, once it is there and enabled.
    pub async fn click(&self, id: &str) {
        let ready = format!(
            "(e => !!e && !e.disabled && e.ariaDisabled !== 'true')(document.getElementById({id:?}))"
        );
        self.wait(&format!("#{id} to be usable"), &ready, SOON).await;
        self.client.find(Locator::Id(id)).await.unwrap().click().await.unwrap();
    }

    /// Types into whatever has the focus.
    pub async fn type_text(&self, text: &str) {
        self.client.active_element().await.unwrap().send_keys(text).await.unwrap();
    }

    /// Presses a key on whatever has the focus.
    pub async fn press(&self, key: Key) {
        // Keys sent to an element would be a path to a file input that is passed on the way.
        let value = char::from(key);
        let keys = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value })
            .then(KeyAction::Up { value });
        self.client.perform_actions(keys).await.unwrap();
    }

    /// Presses Tab until the element with this id has the focus.
    pub async fn tab_to(&self, id: &str) {
        for _ in 0..120 {
            if self.value("document.activeElement.id").await == json!(id) {
                return;
            }
            self.press(Key::Tab).await;
        }
        panic!("#{id} cannot be reached with the Tab key");
    }

    /// Chooses an option of a select element.
    pub async fn select(&self, id: &str, value: &str) {
        let element = self.client.find(Locator::Id(id)).await.unwrap();
        element.select_by_value(value).await.unwrap();
    }

    /// Nothing lies beside the screen.
    pub async fn fits(&self, what: &str) {
        let wide = self.value("document.documentElement.scrollWidth - innerWidth").await;
        assert!(wide.as_i64().is_some_and(|wide| wide <= 0), "{what}: {wide} too wide");
    }

    /// Opens everything that can be folded.
    pub async fn unfold(&self) {
        self.value("[...document.querySelectorAll('details')].forEach(e => { e.open = true; })").await;
    }

    /// Saves a picture of what is visible, if `LLAMAREC_SCREENSHOTS` names a folder.
    pub async fn screenshot(&self, name: &str) {
        if let Some(folder) = env::var_os("LLAMAREC_SCREENSHOTS") {
            // What fades in has faded in by then.
            tokio::time::sleep(Duration::from_millis(400)).await;
            let picture = self.client.screenshot().await.unwrap();
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(PathBuf::from(folder).join(format!("{name}.png")), picture).unwrap();
        }
    }

    /// Ends the visit.
    pub async fn leave(self) {
        self.client.close().await.unwrap();
    }
}
