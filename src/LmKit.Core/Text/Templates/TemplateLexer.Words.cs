using System.Globalization;
using System.Text;

namespace LmKit;

internal sealed partial class TemplateLexer
{
    private static readonly string[] Operators = ["**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ":", ".", "|"];
    private static readonly string[] Digits = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

    // One name, number, text or sign of an expression.
    private TemplateToken One()
    {
        var letter = Peek();
        if (letter is '\'' or '"')
            return Text(letter);
        if (char.IsAsciiDigit(letter))
            return Number();
        if (char.IsLetter(letter) || letter == '_')
        {
            var start = place;
            while (char.IsLetterOrDigit(Peek()) || Peek() == '_')
                place++;
            return Token(TemplateTokenKind.Name, source[start..place]);
        }
        foreach (var sign in Operators)
        {
            if (letter != sign[0] || (sign.Length > 1 && Peek(1) != sign[1]))
                continue;
            place += sign.Length;
            return Token(TemplateTokenKind.Operator, sign);
        }
        throw Fault($"'{letter}' has no meaning here.");
    }

    private TemplateToken Number()
    {
        var start = place;
        if (Peek() == '0' && Peek(1) is 'x' or 'X' or 'o' or 'O' or 'b' or 'B')
        {
            for (place += 2; char.IsAsciiLetterOrDigit(Peek()) || Peek() == '_';)
                place++;
            return Token(TemplateTokenKind.Integer, source[start..place]);
        }
        TakeDigits();
        if (place - start == 1 && !(Peek() is '.' or 'e' or 'E'))
            return Token(TemplateTokenKind.Integer, Digits[source[start] - '0']);
        var isFloat = false;
        if (Peek() == '.' && char.IsAsciiDigit(Peek(1)))
        {
            isFloat = true;
            place++;
            TakeDigits();
        }
        if (Peek() is 'e' or 'E' && (char.IsAsciiDigit(Peek(1)) || (Peek(1) is '+' or '-' && char.IsAsciiDigit(Peek(2)))))
        {
            isFloat = true;
            place += 2;
            TakeDigits();
        }
        if (!isFloat && source[start] == '0' && source.AsSpan(start, place - start).ContainsAnyExcept('0', '_'))
            throw Fault("a whole number does not begin with 0.");
        return Token(isFloat ? TemplateTokenKind.Float : TemplateTokenKind.Integer, source[start..place]);
    }

    private void TakeDigits()
    {
        while (char.IsAsciiDigit(Peek()) || (Peek() == '_' && char.IsAsciiDigit(Peek(1))))
            place++;
    }

    private TemplateToken Text(char quote)
    {
        place++;
        var end = source.AsSpan(place).IndexOfAny(quote, '\\');
        if (end >= 0 && source[place + end] == quote)
        {
            place += end + 1;
            return Token(TemplateTokenKind.String, source.Substring(place - end - 1, end));
        }
        var text = new StringBuilder();
        for (; Peek() != quote || place >= source.Length; place++)
        {
            if (place >= source.Length)
                throw Fault("a text has no end.");
            if (Peek() != '\\')
            {
                _ = text.Append(Peek());
                continue;
            }
            place++;
            _ = Peek() switch
            {
                'n' => text.Append('\n'),
                't' => text.Append('\t'),
                'r' => text.Append('\r'),
                'a' => text.Append('\a'),
                'b' => text.Append('\b'),
                'f' => text.Append('\f'),
                'v' => text.Append('\v'),
                '\n' => text,
                'x' => text.Append(Escape(2)),
                'u' => text.Append(Escape(4)),
                'U' => text.Append(Escape(8)),
                >= '0' and <= '7' => text.Append(Octal()),
                'N' => throw Fault("a character by its name is not supported."),
                '\'' or '"' or '\\' => text.Append(Peek()),
                var other => text.Append('\\').Append(other),
            };
        }
        place++;
        return Token(TemplateTokenKind.String, text.ToString());
    }

    private string Escape(int digits)
    {
        if (place + digits >= source.Length || !int.TryParse(source.AsSpan(place + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code) || code is < 0 or > 0x10ffff)
            throw Fault($"an escape needs {digits} hexadecimal digits.");
        place += digits;
        return TemplateCharacters.Text(code);
    }

    private char Octal()
    {
        var code = 0;
        for (var digits = 0; digits < 3 && Peek() is >= '0' and <= '7'; digits++, place++)
            code = (8 * code) + Peek() - '0';
        place--;
        return (char)code;
    }
}
