// A whole number of JSON, from 0 on, that fits; of any other (6.5e38, -1) the JSON library would make one, by a conversion that
// is undefined. For json of nlohmann, which this header does not include.
//
// Thread safety: a pure function. Errors: json::type_error, as of the library's own conversions.
#pragma once

#include <limits>

namespace ingot {

template <class Number, class Json>
Number whole_number(const Json& value) {
    const auto* const number = value.template get_ptr<const typename Json::number_unsigned_t*>();
    if (number == nullptr || *number > std::numeric_limits<Number>::max())
        throw Json::type_error::create(302, "a number is not as it should be", nullptr);
    return static_cast<Number>(*number);
}

}  // namespace ingot
