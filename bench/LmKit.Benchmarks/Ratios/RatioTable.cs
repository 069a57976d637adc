namespace LmKit.Benchmarks.Ratios;

/// <summary>The committed table between two marks of a Markdown file, whose other text is kept: a row for each case, replaced when the
/// case is measured again, so that the table can be taken in parts.</summary>
internal sealed class RatioTable
{
    public const string Start = "<!-- table: written by `ratios --out`, not by hand -->";
    public const string End = "<!-- end of the table -->";

    private readonly string _path;
    private readonly string _before;
    private readonly string _after;
    private readonly Dictionary<string, RatioRow> _rows = [];
    private string _machine;

    private RatioTable(string path, string before, string machine, string after) => (_path, _before, _machine, _after) = (path, before, machine, after);

    /// <summary>The rows by the names of their cases.</summary>
    public IReadOnlyDictionary<string, RatioRow> Rows => _rows;

    /// <summary>Reads the table and the text around it, before an hour of measuring is lost on a file without the marks.</summary>
    /// <exception cref="ArgumentException">The file exists without the two marks, or a line between them cannot be read.</exception>
    public static RatioTable Open(string path)
    {
        if (!File.Exists(path))
        {
            return new RatioTable(path, "# Ratios\n\n", "", "\n");
        }

        var text = File.ReadAllText(path);
        var (start, end) = (text.IndexOf(Start, StringComparison.Ordinal), text.IndexOf(End, StringComparison.Ordinal));
        if (start < 0 || end < start)
        {
            throw new ArgumentException($"'{path}' has no table to read and replace: put the lines '{Start}' and '{End}' where it belongs.");
        }

        var table = new RatioTable(path, text[..start], "", text[(end + End.Length)..]);
        table.Read(text[(start + Start.Length)..end]);
        return table;
    }

    /// <summary>Makes sure that rows of this machine may stand in it.</summary>
    /// <exception cref="ArgumentException">Its rows are of another machine or number of threads.</exception>
    public void Require(string machine)
    {
        if (_rows.Count > 0 && _machine != machine)
        {
            throw new ArgumentException($"--out '{_path}' holds figures of '{_machine}', this run is '{machine}': write them to another file, or delete that table's rows first.");
        }

        _machine = machine;
    }

    /// <summary>Puts a row in place of the one of its name and writes the file, with whatever was written into it meanwhile.</summary>
    /// <param name="row">The row.</param>
    /// <param name="order">The names of all cases there are; rows of others go.</param>
    public void Put(RatioRow row, IReadOnlyList<string> order)
    {
        var now = Open(_path);
        now.Require(_machine);
        now._rows[row.Name] = _rows[row.Name] = row;
        File.WriteAllText(_path, now._before + Start + "\n" + now.Text(order) + End + now._after);
    }

    private string Text(IReadOnlyList<string> order)
    {
        var rows = order.Where(_rows.ContainsKey).Select(name => _rows[name]).ToLookup(row => row.IsMemory);
        return $"{_machine}.\n" + Section(RatioRow.TimeHead, rows[false]) + Section(RatioRow.MemoryHead, rows[true]);
    }

    private static string Section(string head, IEnumerable<RatioRow> rows)
    {
        var lines = string.Concat(rows);
        return lines.Length == 0 ? "" : $"\n{head}{lines}";
    }

    private void Read(string text)
    {
        bool? isMemory = null;
        foreach (var line in text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0 && !line.StartsWith("|-", StringComparison.Ordinal)))
        {
            if (RatioRow.TimeHead.StartsWith(line, StringComparison.Ordinal) || RatioRow.MemoryHead.StartsWith(line, StringComparison.Ordinal))
            {
                isMemory = RatioRow.MemoryHead.StartsWith(line, StringComparison.Ordinal);
            }
            else if (isMemory is { } kind)
            {
                Add(line, kind);
            }
            else
            {
                _machine = line.TrimEnd('.');
            }
        }
    }

    private void Add(string line, bool isMemory)
    {
        try
        {
            var row = RatioRow.Parse(line, isMemory);
            if (!_rows.TryAdd(row.Name, row))
            {
                throw new FormatException($"'{row.Name}' has two rows");
            }
        }
        catch (FormatException problem)
        {
            throw new ArgumentException($"'{_path}': {problem.Message}; the table is written by `ratios --out`, not by hand.");
        }
    }
}
